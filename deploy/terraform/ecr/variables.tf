variable "name" {
  description = "Name of the queue, the rule and the policy."
  type        = string
  default     = "registry-watcher"
}

variable "role_name" {
  description = "Role that the watcher runs with (of an instance, a task or a service account); null attaches the policy to none."
  type        = string
  default     = null
}

variable "repository_prefixes" {
  description = "Beginnings of the repositories that the watcher may read; an empty text is all of them."
  type        = list(string)
  default     = [""]
}

variable "publish_verdicts" {
  description = "Whether the watcher may write verdicts beside the images."
  type        = bool
  default     = true
}

variable "copies" {
  description = "Whether images that arrive by replication or through a pull-through cache are events as well."
  type        = bool
  default     = true
}

variable "max_receives" {
  description = "How often a message is received before it becomes a dead letter. An outage of the watcher's store receives it often."
  type        = number
  default     = 50

  validation {
    condition     = var.max_receives >= 1 && var.max_receives <= 1000
    error_message = "SQS takes 1 to 1000."
  }
}
