locals {
  account  = data.aws_caller_identity.current.account_id
  registry = "${local.account}.dkr.ecr.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"
}

output "watcher_yaml" {
  description = "The configuration of the watcher: terraform output -raw watcher_yaml > watcher.yaml"
  value       = <<-EOT
    registries: [{host: "${local.registry}"}]
    sources: [{type: sqs, dialect: ecr, queue_url: "${aws_sqs_queue.events.url}"}]
    publish: [{type: referrer}]
  EOT
}

output "queue_url" {
  description = "Where the events are."
  value       = aws_sqs_queue.events.url
}

output "dead_letters_url" {
  description = "Where events are that could not be delivered. The watcher does not read them; an alarm should."
  value       = aws_sqs_queue.dead_letters.url
}

output "policy_arn" {
  description = "What the watcher's role needs, where role_name does not attach it."
  value       = aws_iam_policy.watcher.arn
}
