"""Everything that `slr check data` looks at, from the annotation table to the numbers in the arrays."""

from slrcli.doctor.context import Checks
from slrcli.doctor.data.body import BODY_CHECKS
from slrcli.doctor.data.files import FILE_CHECKS
from slrcli.doctor.data.hands import HAND_CHECKS
from slrcli.doctor.data.motion import MOTION_CHECKS
from slrcli.doctor.data.splits import SPLIT_CHECKS
from slrcli.doctor.data.tables import TABLE_CHECKS

# In this order, so that each comes after those that it needs.
DATA_CHECKS = Checks.joined(TABLE_CHECKS, FILE_CHECKS, MOTION_CHECKS, BODY_CHECKS, HAND_CHECKS, SPLIT_CHECKS)
