"""Small task heads on MiniLM, trained here in about a minute each: for tests, examples, figures.

No package carries the weights of a general NLI, NER, question answering or reranking model, so
these are made from labelled data. They are weak, as a minute on a CPU allows; what each reaches
on held-out data is printed and stands in docs/accuracy.md.
"""
