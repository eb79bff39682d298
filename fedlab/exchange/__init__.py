"""Model files that travel between organisations: formats, cards and checks on loading; no training."""

from fedlab.exchange.card import Card, Preprocessing, Scores, card_path, read_card, write_card
from fedlab.exchange.compact import Compact
from fedlab.exchange.formats import FORMATS, SAFE_TYPES, Format, format_of
from fedlab.exchange.modelfile import load_model, load_models, model_stem, save_model

__all__ = [
    "FORMATS",
    "SAFE_TYPES",
    "Card",
    "Compact",
    "Format",
    "Preprocessing",
    "Scores",
    "card_path",
    "format_of",
    "load_model",
    "load_models",
    "model_stem",
    "read_card",
    "save_model",
    "write_card",
]
