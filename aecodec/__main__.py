"""`python -m aecodec` is the command `aecodec`."""

from aecodec.cli import main

if __name__ == "__main__":
    main()
