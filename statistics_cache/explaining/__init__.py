"""Why a stored value is as it is: the facts of one variant, and the sentences that tell them."""
