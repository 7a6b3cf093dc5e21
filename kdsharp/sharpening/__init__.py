"""The one way of a picture through a model: arrays, images, photos' files, enlarged or not."""
