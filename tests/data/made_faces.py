"""Clips in which a white square is the face, and a stand-in for the estimators that finds it."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import cv2
import numpy as np

from reenact.estimators.base import FaceBox
from reenact.faces.fit_clip import FitOptions
from reenact.faces.fitting import fit_landmarks
from reenact.faces.registry import load_face_model
from reenact.media.video_writer import VideoWriter
from reenact.tracking import parameters

SQUARE = 60
FILL = 4 | 1 << 8 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE


class Squares:
    """Finds white squares; the landmarks of the head model lie in them."""

    name = "dlib"

    def __init__(self):
        head = load_face_model("head")
        points = head.landmarks68(head.posed(head.neutral()))[0, :, :2].numpy()
        self.template = (points - points.min(0)) / np.ptp(points, axis=0).max()
        self.searches = 0

    def detect(self, image):
        self.searches += 1
        mask = (image.min(axis=2) > 200).astype(np.uint8)
        boxes = cv2.connectedComponentsWithStats(mask)[2][1:]
        found = [FaceBox(left=x, top=y, right=x + w, bottom=y + h) for x, y, w, h, area in boxes.tolist() if area > 100]
        return sorted(found, key=lambda box: box.area, reverse=True)

    def detect_near(self, image, box):
        self.searches -= 1
        near = [face for face in self.detect(image) if face.overlap(box) > 0.3]
        return near[0] if near else None

    def landmarks(self, image, box):
        """Turn with the square, as landmarks of a network turn with the face."""
        x, y = (int(place) for place in box.centre)
        mask = np.zeros(tuple(side + 2 for side in image.shape[:2]), np.uint8)
        cv2.floodFill(np.ascontiguousarray(image), mask, (x, y), 0, (60,) * 3, (60,) * 3, FILL)
        angle = cv2.minAreaRect(cv2.findNonZero(mask[1:-1, 1:-1]))[2] % 90
        turn = np.deg2rad(angle - 90 if angle > 45 else angle)
        upright = (self.template - 0.5) * (box.right - box.left)
        middle = np.array([box.left, box.top]) + (box.right - box.left) / 2
        return (upright @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + middle).astype(np.float32)


def fit_in_one_step(monkeypatch):
    """Fit squares in one step: they have the mean head's landmarks, and fits are most of the time of a preparation."""
    once = partial(fit_landmarks, options=FitOptions(shape_steps=1, steps=1))
    monkeypatch.setattr(parameters, "fit_landmarks", once)


def picture(*corners, size=SQUARE, background=60, shape=(160, 200), smaller=12):
    """Squares with these upper left corners, each smaller than the one before."""
    image = np.full((*shape, 3), background, np.uint8)
    for k, (x, y) in enumerate(corners):
        side = size - smaller * k
        image[y : y + side, x : x + side] = 255
    return image


def write_clip(path, images, fps=Fraction(25)):
    with VideoWriter(path, fps, (images[0].shape[1], images[0].shape[0])) as writer:
        for image in images:
            writer.write(image)
    return path


def walk(count, start=40):
    return [picture((start + k, 50)) for k in range(count)]
