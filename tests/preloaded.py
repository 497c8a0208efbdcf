"""What commands import, for the process that tests fork them from."""

from transformers import (  # noqa: F401
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LlamaForCausalLM,
    T5ForConditionalGeneration,
)

import rl.dry_run_view
import rl.experiment
import rl.recipes
import rl.report
import rl.serve.start
import rl.training  # noqa: F401
