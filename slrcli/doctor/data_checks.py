"""Everything that `slr check data` looks at, from the annotation table to the numbers in the arrays."""

from slrcli.doctor.context import Checks
from slrcli.doctor.data_body import BODY_CHECKS
from slrcli.doctor.data_files import FILE_CHECKS
from slrcli.doctor.data_hands import HAND_CHECKS
from slrcli.doctor.data_motion import MOTION_CHECKS
from slrcli.doctor.data_splits import SPLIT_CHECKS
from slrcli.doctor.data_tables import TABLE_CHECKS

# In this order, so that each comes after those that it needs.
DATA_CHECKS = Checks.joined(TABLE_CHECKS, FILE_CHECKS, MOTION_CHECKS, BODY_CHECKS, HAND_CHECKS, SPLIT_CHECKS)
