"""torch, eager, with transformers' model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from bench.peers.padded import Embed, Floats, Ints, make_embed, open_tokenizer


def load(folder: Path, settings: Mapping[str, Any]) -> Embed:
    """Open a checkpoint in a type of numbers."""
    torch.set_num_threads(settings["threads"])
    model = AutoModel.from_pretrained(folder, dtype=getattr(torch, settings["dtype"])).eval()

    @torch.inference_mode()  # type: ignore[untyped-decorator,unused-ignore]
    def hidden(ids: Ints, mask: Ints) -> Floats:
        output = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        states: Floats = output.last_hidden_state.float().numpy()
        return states

    return make_embed(open_tokenizer(folder / "tokenizer.json"), hidden)
