"""How a registry lists what it holds, by its kind."""

from collections.abc import Callable, Mapping

from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.listing_acr import AcrListing
from watcher.registry.listing_ecr import EcrListing
from watcher.registry.listing_gar import GarListing
from watcher.registry.listing_harbor import HarborListing
from watcher.registry.protocol import Listing

# Every other kind lists as the distribution-spec says.
LISTINGS: Mapping[str, Callable[[RegistryClient], Listing]] = {
    "acr": AcrListing,
    "ecr": EcrListing,
    "gar": GarListing,
    "harbor": HarborListing,
}


def build_listing(client: RegistryClient) -> Listing:
    """By the kind that is configured, else by the host."""
    return LISTINGS.get(client.settings.registry_kind, DistributionListing)(client)
