"""Pictures of a face of three coloured dots, and stand-ins for networks that read it, upright or turned."""

from __future__ import annotations

import math

import cv2
import numpy as np

from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.faces.registry import load_face_model

EYE, OTHER_EYE, CHIN = (255, 0, 0), (0, 255, 0), (0, 0, 255)
"""Colours of the dots: the eye at the picture's left, the other, the chin."""
DOTS = np.array([[-0.25, -0.2], [0.25, -0.2], [0.0, 0.35]])
"""Places of the dots, in sizes of the face from its middle."""


def paint_face(image, middle, size, roll=0.0):
    """Paint a face, turned counter-clockwise by degrees."""
    for colour, (x, y) in zip((EYE, OTHER_EYE, CHIN), DOTS @ turn_matrix(roll) * size + middle, strict=True):
        cv2.circle(image, (round(x), round(y)), max(2, round(size / 12)), colour, -1)
    return image


def turn_matrix(roll):
    """(2, 2) by which rows x, y (y down) are turned counter-clockwise by degrees: rows @ matrix."""
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    return np.array([[cos, -sin], [sin, cos]])


def turn_picture(image, roll):
    """A square picture turned counter-clockwise on a larger one, and the (2, 3) map of continuous pixels."""
    side = math.ceil(len(image) * math.sqrt(2))
    matrix = cv2.getRotationMatrix2D(((len(image) - 1) / 2,) * 2, roll, 1.0)
    matrix[:, 2] += (side - len(image)) / 2
    turned = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    matrix[:, 2] += 0.5 - matrix[:, :2] @ [0.5, 0.5]
    return turned, matrix


class PaintedFaces:
    """Finds painted faces, and places landmarks that follow a turn up to some degrees.

    A face that is turned further gets the landmarks of an upright face, as from dlib and networks like it, or is
    refused, as by MediaPipe.

    Args:
        follows: Degrees.
        refuses: Whether faces that are turned further are refused.
        name: As whose numbers they pass.
    """

    def __init__(self, follows, refuses=False, name="face-alignment"):
        head = load_face_model("head")
        points = head.landmarks68(head.posed(head.neutral()))[0, :, :2].numpy()
        self.template = (points - (points.min(0) + points.max(0)) / 2) / np.ptp(points, axis=0).max()
        self.follows, self.refuses, self.name = follows, refuses, name

    def detect(self, image):
        """Find the faces by their dots of the first colour."""
        count, _, _, centres = cv2.connectedComponentsWithStats(self._mask(image, EYE))
        faces = [self._read_face(image, centres[k]) for k in range(1, count)]
        boxes = [
            FaceBox(left=x - size / 2, top=y - size / 2, right=x + size / 2, bottom=y + size / 2)
            for (x, y), size, _ in faces
        ]
        return sorted(boxes, key=lambda box: box.area, reverse=True)

    def detect_near(self, image, box):
        """The face at a box, or None."""
        near = [face for face in self.detect(image) if face.overlap(box) > 0.3]
        return near[0] if near else None

    def landmarks(self, image, box):
        """(68, 2) landmarks, turned as the face is, or of an upright face in the box."""
        eye = np.argwhere(self._mask(image, EYE))[:, ::-1]
        middle, size, roll = self._read_face(image, eye[np.abs(eye - box.centre).sum(1).argmin()])
        if abs(roll) > self.follows:
            if self.refuses:
                raise ReenactError("sees no face")
            middle, size, roll = box.centre, box.size, 0.0
        return (self.template @ turn_matrix(roll) * size + middle).astype(np.float32)

    def _mask(self, image, colour):
        return cv2.inRange(image, *(np.clip(np.add(colour, reach), 0, 255) for reach in (-100, 100)))

    def _read_face(self, image, eye):
        """The middle, size and turn of the face with a dot near a place, by the nearest dots of the other colours."""
        dots = []
        for colour in (EYE, OTHER_EYE, CHIN):
            centres = cv2.connectedComponentsWithStats(self._mask(image, colour))[3][1:]
            dots.append(centres[np.abs(centres - eye).sum(1).argmin()] + 0.5)
        across = dots[1] - dots[0]
        size, roll = float(np.linalg.norm(across)) / 0.5, math.degrees(math.atan2(-across[1], across[0]))
        return np.mean(dots, axis=0) - DOTS.mean(0) @ turn_matrix(roll) * size, size, roll
