"""All checks of `slr check data`, from the annotation table to the numbers in the arrays."""

from slrcli.doctor.context import in_order
from slrcli.doctor.data.body import BODY_CHECKS
from slrcli.doctor.data.files import FILE_CHECKS
from slrcli.doctor.data.motion import MOTION_CHECKS
from slrcli.doctor.data.splits import SPLIT_CHECKS
from slrcli.doctor.data.tables import TABLE_CHECKS
from slrcli.doctor.data.vocabulary import VOCAB_CHECKS

DATA_CHECKS = in_order(TABLE_CHECKS, FILE_CHECKS, MOTION_CHECKS, BODY_CHECKS, SPLIT_CHECKS)
# With a vocabulary, which comes first.
DATA_VOCAB_CHECKS = (*VOCAB_CHECKS, *DATA_CHECKS)
