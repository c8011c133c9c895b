# Artifact Registry (and Container Registry) publish what happens to images to the topic `gcr` of their project, if there is one;
# the watcher reads a subscription of it.
#
#   Artifact Registry -> topic gcr -> subscription -> watcher
#                                          |
#                                          +-> dead letters: what was delivered too often
#
# One copy for each project that has registries.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

data "google_project" "current" {
  project_id = var.project
}

locals {
  # Moves messages to the dead letters.
  pubsub_agent = "serviceAccount:service-${data.google_project.current.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  watcher      = "serviceAccount:${var.service_account}"
}

# The name is fixed: Artifact Registry publishes to no other. Where the project has it already: terraform import.
resource "google_pubsub_topic" "gcr" {
  project = var.project
  name    = "gcr"
}

resource "google_pubsub_topic" "dead_letters" {
  project = var.project
  name    = "${var.name}-dead-letters"
}

# A topic alone keeps nothing.
resource "google_pubsub_subscription" "dead_letters" {
  project                    = var.project
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  message_retention_duration = "604800s" # 7 days

  expiration_policy {
    ttl = "" # never
  }
}

resource "google_pubsub_subscription" "events" {
  project                      = var.project
  name                         = var.name
  topic                        = google_pubsub_topic.gcr.id
  ack_deadline_seconds         = 60
  message_retention_duration   = "604800s"
  enable_exactly_once_delivery = var.exactly_once

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = var.max_deliveries
  }

  # Without its rights the service drops what it cannot move.
  depends_on = [google_pubsub_topic_iam_member.agent]
}

resource "google_pubsub_topic_iam_member" "agent" {
  project = var.project
  topic   = google_pubsub_topic.dead_letters.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent" {
  project      = var.project
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# What the watcher may do, and nothing else.
resource "google_pubsub_subscription_iam_member" "watcher" {
  project      = var.project
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.watcher
}

resource "google_artifact_registry_repository_iam_member" "watcher" {
  for_each = var.repositories

  project    = var.project
  location   = each.value
  repository = each.key
  role       = var.publish_verdicts ? "roles/artifactregistry.writer" : "roles/artifactregistry.reader"
  member     = local.watcher
}
