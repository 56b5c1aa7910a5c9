"""`python -m padam` is the command `padam`."""

from padam.cli import main

if __name__ == "__main__":
    main()
