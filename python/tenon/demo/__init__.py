# SPDX-License-Identifier: Apache-2.0
"""The main job: a sentence encoder on every device, beside a float64 reference."""
