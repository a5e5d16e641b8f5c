"""PWM: geometry-driven progressive warping, guided by a posed face mesh (BMVC 2022, arXiv 2210.02391)."""

from reenact.models.pwm.module import PWMModule

__all__ = ["PWMModule"]
