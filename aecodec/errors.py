"""Errors that a caller may want to tell apart; every message is one line: file, fact, remedy."""


class AecodecError(Exception):
    """Base of all errors that bad input, a bad file or a bad environment can cause."""


class PictureError(AecodecError):
    """A picture cannot be read: missing, empty, truncated, too large or of no known format."""


class FormatError(AecodecError):
    """An .aec file breaks the rules of its format: cut short, changed, or lying about its lengths."""


class VersionError(FormatError):
    """An .aec file is of a format version that this release does not know."""


class ModelError(AecodecError):
    """An .aec file was made with other weights than those that are loaded."""


class WeightsError(AecodecError):
    """A weights file is missing, damaged or made for another network."""


class OutputError(AecodecError):
    """An output cannot be written: no permission, no space, or it would overwrite an input."""


class TargetError(AecodecError):
    """A picture cannot be coded in as few bytes, or as faithfully, as it was asked for."""
