variable "project" {
  description = "Id of the project that has the registries."
  type        = string
}

variable "service_account" {
  description = "E-mail of the service account that the watcher runs with."
  type        = string
}

variable "location" {
  description = "Location of the registry, as in its host name: LOCATION-docker.pkg.dev."
  type        = string
  default     = "europe"
}

variable "repositories" {
  description = "Repositories of Artifact Registry that the watcher may read, name to location: {images = \"europe-west1\"}."
  type        = map(string)
  default     = {}
}

variable "name" {
  description = "Name of the subscription."
  type        = string
  default     = "registry-watcher"
}

variable "publish_verdicts" {
  description = "Whether the watcher may write verdicts beside the images."
  type        = bool
  default     = true
}

variable "exactly_once" {
  description = "Whether Pub/Sub confirms acknowledgements. The watcher drops repetitions by itself; this is slower, and spares it some."
  type        = bool
  default     = false
}

variable "max_deliveries" {
  description = "How often a message is delivered before it becomes a dead letter. An outage of the watcher's store delivers it often."
  type        = number
  default     = 100

  validation {
    condition     = var.max_deliveries >= 5 && var.max_deliveries <= 100
    error_message = "Pub/Sub takes 5 to 100."
  }
}
