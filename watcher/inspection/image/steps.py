"""Which build step made which layer. Pure."""

from watcher.model.image import ImageConfig

# A step that writes a script in place has kilobytes; its beginning says enough.
MAX_STEP = 1000


def layer_steps(config: ImageConfig, layers: int) -> tuple[str, ...]:
    """The step of each layer, cut at MAX_STEP; empty where history and layers do not agree in number."""
    steps = tuple(step.created_by[:MAX_STEP] for step in config.history if not step.empty_layer)
    return steps if len(steps) == layers else ("",) * layers
