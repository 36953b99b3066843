"""BERT, RoBERTa and DistilBERT side by side: what is measured here, and what others reported."""
