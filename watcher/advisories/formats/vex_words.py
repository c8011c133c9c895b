"""The words that statements of VEX share, whatever they are written in.

Spec: CISA, "Minimum Requirements for Vulnerability Exploitability eXchange (VEX)" and "VEX Status Justifications"
"""

NOT_AFFECTED = "not_affected"
AFFECTED = "affected"
FIXED = "fixed"
UNDER_INVESTIGATION = "under_investigation"
STATUSES = frozenset({NOT_AFFECTED, AFFECTED, FIXED, UNDER_INVESTIGATION})
JUSTIFICATIONS = frozenset(
    {
        "component_not_present",
        "vulnerable_code_not_present",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "inline_mitigations_already_exist",
    }
)
