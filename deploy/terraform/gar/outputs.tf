output "watcher_yaml" {
  description = "The configuration of the watcher: terraform output -raw watcher_yaml > watcher.yaml"
  value       = <<-EOT
    registries: [{host: "${var.location}-docker.pkg.dev"}]
    sources: [{type: pubsub, dialect: gar, subscription: "${google_pubsub_subscription.events.id}"}]
    publish: [{type: referrer}]
  EOT
}

output "subscription" {
  description = "Where the events are: projects/PROJECT/subscriptions/NAME."
  value       = google_pubsub_subscription.events.id
}

output "dead_letters" {
  description = "Where messages are that were delivered too often. The watcher does not read them; an alarm should."
  value       = google_pubsub_subscription.dead_letters.id
}
