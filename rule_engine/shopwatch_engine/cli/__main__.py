"""``python -m shopwatch_engine.cli``: the command line where no script is installed."""

from shopwatch_engine.cli import main

if __name__ == "__main__":
    main()
