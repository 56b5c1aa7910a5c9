"""`python -m padam` is the command `padam`."""

from padam.commands import main

if __name__ == "__main__":
    main()
