"""From a file to one face: found, followed, cropped and measured in every frame; `prepare` and the apps share it."""
