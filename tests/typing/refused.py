"""What mypy and pyright must refuse; each line names the code that each gives: `# mypy-code / pyright-rule`."""

from statistics_cache import statistic
from tests.samples import Color, Stock, stock, total

stock()  # call-arg / reportCallIssue
stock("red")  # arg-type / reportArgumentType
stock(Color.RED, True)  # call-arg / reportCallIssue
stock(Color.RED, doubled="yes")  # arg-type / reportArgumentType
stock(Color.RED, tripled=True)  # call-arg / reportCallIssue
total(1)  # call-arg / reportCallIssue
stock.compute(7)  # arg-type / reportArgumentType
stock.refresh()  # call-arg / reportCallIssue
stock.token("red")  # arg-type / reportArgumentType
stock.is_fresh(color="red")  # arg-type / reportArgumentType
stock.clear(Color.RED, tier="warm")  # arg-type / reportArgumentType
stock.set(Color.RED)  # call-arg / reportCallIssue
stock.set(Color.RED, result=7)  # arg-type / reportArgumentType
number: int = stock(Color.RED)  # assignment / reportAssignmentType
value: Stock = stock.get(Color.RED)  # assignment / reportAssignmentType


@statistic(ttl=300)  # arg-type / reportArgumentType
def wrong_ttl() -> int:
    """Give a number of seconds where a timedelta is wanted."""
    return 1


@statistic(on_change="drop")  # arg-type / reportArgumentType
def wrong_option() -> int:
    """Give an option that there is not."""
    return 1
