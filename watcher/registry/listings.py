"""Which listing a registry has."""

from watcher.registry.client import RegistryClient
from watcher.registry.listing import DistributionListing
from watcher.registry.listing_acr import AcrListing
from watcher.registry.listing_gar import GarListing
from watcher.registry.listing_harbor import HarborListing
from watcher.registry.protocol import Listing


def listing_of(client: RegistryClient) -> Listing:
    """By the kind that is configured, else by the host."""
    match client.settings.registry_kind:
        case "gar":
            return GarListing(client)
        case "acr":
            return AcrListing(client)
        case "harbor":
            return HarborListing(client)
        case _:
            return DistributionListing(client)
