"""What the command ``slipway`` starts with: signals are taken before anything is imported that takes its time."""

import gc
import sys

from flows import ending


def main() -> None:
    """Run the command line."""
    # A service drains as long as it was told to.
    ending.listen(watch=sys.argv[1:2] != ["serve"])
    try:
        from flows.command_line import main as run

        run()
    except KeyboardInterrupt:
        ending.end()
    except SystemExit as ended:
        # A library has made an exit code of its own of the signal; a service that drained ends well.
        if ended.code and ending.exit_code() not in (None, ended.code):
            ending.end()
        raise
    finally:
        # An interpreter that ends looks for garbage several times: two seconds, with MLflow and torch.
        gc.freeze()


if __name__ == "__main__":
    main()
