"""What a checkpoint's top-level keys are called: mmengine's, which our runs write and go on from, and others'."""

#: Weights of a run: what is evaluated, and, where that is the average of mmengine's ``EMAHook``, the trained ones.
STATE, EMA_STATE = "state_dict", "ema_state_dict"
#: Tables that a run cannot go on without: how far it was, weights, and its log; and those that not every run has.
NEEDED = ("meta", STATE, "message_hub")
OPTIONAL = ("optimizer", EMA_STATE)
#: Where a file of any origin keeps its weights, averaged ones first.
ANY_STATE = ("state_dict_ema", "model_ema", STATE, "model")
#: Plain values that say what a file of any origin is, and tables of more.
FACTS = ("epoch", "iteration", "arch", "architecture")
FACT_TABLES = ("args", "metadata", "meta")
