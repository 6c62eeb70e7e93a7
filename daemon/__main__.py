"""`python -m daemon` is `skilld`."""

from daemon.cli import main

if __name__ == "__main__":
    main()
