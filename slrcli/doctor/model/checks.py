"""All checks of models in one list: what breaks training or recognition whatever the data are."""

from slrcli.doctor.context import in_order
from slrcli.doctor.model.cost import COST_CHECKS
from slrcli.doctor.model.gradient import GRADIENT_CHECKS
from slrcli.doctor.model.numbers import NUMBER_CHECKS
from slrcli.doctor.model.output import OUTPUT_CHECKS
from slrcli.doctor.model.place import PLACE_CHECKS
from slrcli.doctor.model.state import STATE_CHECKS
from slrcli.doctor.model.time import TIME_CHECKS
from slrcli.doctor.model.training import TRAINING_CHECKS

MODEL_CHECKS = in_order(
    OUTPUT_CHECKS,
    STATE_CHECKS,
    GRADIENT_CHECKS,
    TIME_CHECKS,
    PLACE_CHECKS,
    TRAINING_CHECKS,
    NUMBER_CHECKS,
    COST_CHECKS,
)
