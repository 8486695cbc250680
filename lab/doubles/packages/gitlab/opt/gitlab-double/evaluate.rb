# What `gitlab-ctl reconfigure` makes of gitlab.rb: Ruby evaluates it, unknown sections end it, and the settings come out as JSON.
require 'json'

class Settings < BasicObject
  KNOWN = %w[
    alertmanager consul external_url geo_postgres_exporter git_data_dirs gitaly gitlab_exporter gitlab_kas gitlab_pages gitlab_rails
    gitlab_shell gitlab_sshd gitlab_workhorse letsencrypt logging logrotate mailroom mattermost nginx node_exporter pages_external_url
    pages_nginx patroni pgbouncer postgres_exporter postgresql praefect prometheus prometheus_monitoring puma redis redis_exporter
    registry registry_external_url registry_nginx roles sentinel sidekiq spamcheck user web_server
  ].freeze

  def initialize
    @found = {}
  end

  def from_file(path)
    instance_eval(::File.read(path), path)
  end

  def method_missing(name, *arguments)
    key = name.to_s
    ::Kernel.raise "Encountered unsupported config key '#{key}' in /etc/gitlab/gitlab.rb." unless KNOWN.include?(key)
    return @found[key] = arguments.first unless arguments.empty?

    @found[key] ||= {}
  end

  def respond_to_missing?(*)
    true
  end

  def __found
    @found
  end
end

settings = Settings.new
settings.from_file('/etc/gitlab/gitlab.rb')
puts JSON.pretty_generate(settings.__found)
