"""PWM: pose-guided warping by a posed mesh with neural codes (BMVC 2022, arXiv 2210.02391)."""

from reenact.models.pwm.module import PWMModule

__all__ = ["PWMModule"]
