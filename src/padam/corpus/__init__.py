"""The open corpus: freely licensed sound of Debian packages, laid out as sources to train on."""
