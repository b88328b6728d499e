// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchAPIServer
internal import PerchExecutor
internal import PerchPostgres
internal import PerchSDK

/// One setting of the engine: its name, what may stand there, and what holds where nothing stands.
struct ConfigurationKey: Sendable {
    /// What a value may be.
    enum Kind: Sendable {
        case integer(ClosedRange<Int64>)
        /// A number of bytes, with or without a unit: `536870912`, `512MiB`.
        case bytes
        /// A length of time with a unit: `250ms`, `30s`, `5m`, `2h`, `7d`.
        case span
        case logLevel
        /// An IP address and a port.
        case address
        /// The path of a file.
        case path
        /// IP addresses and networks, with commas between.
        case networks
        /// Where an HTTP server is.
        case httpURL
        /// A word or more, as people read it.
        case words
        /// The URL of a database; its password is never shown.
        case database
        /// `true` or `false`.
        case truth
        /// What nobody may see: not for the command line, and never shown.
        case secret
        /// Variables of processes, as an object. The values may be secrets: not for the command line, and never shown.
        case variables
    }

    /// `section.key`.
    var name: String
    var kind: Kind
    /// The value where none is given, as it would be written; nil: not set.
    var fallback: String?
    var summary: String

    /// Every setting, by section.
    static let all: [ConfigurationKey] = [
        ConfigurationKey(
            name: "api.drain_time", kind: .span, fallback: "5s",
            summary: "how long api-server goes on after SIGTERM while /ready says 503"),
        ConfigurationKey(
            name: "api.event_rate", kind: .integer(1...1_000_000), fallback: nil,
            summary: "events a second that one token may send; without it any number"),
        ConfigurationKey(
            name: "api.hooks_file", kind: .path, fallback: nil,
            summary: "a JSON file with the webhooks that are taken at /hooks/NAME"),
        ConfigurationKey(
            name: "api.listen", kind: .address, fallback: nil,
            summary: "where events are taken over HTTP, as 127.0.0.1:8793; without it nowhere"),
        ConfigurationKey(
            name: "api.open", kind: .truth, fallback: "true",
            summary: "whether everybody on this machine may do everything while there is no token, secret or user"),
        ConfigurationKey(
            name: "api.secret", kind: .secret, fallback: nil,
            summary: "what senders sign bodies with, if not in api.secret_file"),
        ConfigurationKey(
            name: "api.secret_file", kind: .path, fallback: nil,
            summary: "a file with the secrets that senders sign bodies with, one a line"),
        ConfigurationKey(
            name: "api.secure_cookies", kind: .truth, fallback: "false",
            summary: "whether the API is reached over HTTPS alone, so that cookies are for nothing else"),
        ConfigurationKey(
            name: "api.streams", kind: .integer(0...100_000), fallback: "500",
            summary: "connections that may listen to what changes, beside the others"),
        ConfigurationKey(
            name: "api.tls_certificate", kind: .path, fallback: nil,
            summary: "a file of PEM with the certificate of the API, and those that lead to it; without it HTTP alone"),
        ConfigurationKey(
            name: "api.tls_key", kind: .path, fallback: nil,
            summary: "a file of PEM with the key of api.tls_certificate"),
        ConfigurationKey(
            name: "api.token", kind: .secret, fallback: nil,
            summary: "what senders show as a bearer token, if not in api.token_file"),
        ConfigurationKey(
            name: "api.token_file", kind: .path, fallback: nil,
            summary: "a file with the bearer tokens that let senders in, one a line"),
        ConfigurationKey(
            name: "api.trusted_proxies", kind: .networks, fallback: nil,
            summary: "IP addresses or networks of proxies whose X-Forwarded-For says who sends, with commas between"),
        ConfigurationKey(
            name: "bundle.environment", kind: .variables, fallback: nil,
            summary: "variables of bundle processes beside the engine's, as {\"NAME\": \"value\"}; null takes one away"),
        ConfigurationKey(
            name: "bundle.executable", kind: .path, fallback: nil,
            summary: "the executable that is the bundle, in any language; without it this program itself"),
        ConfigurationKey(
            name: "bundle.max_age", kind: .span, fallback: nil,
            summary: "how long a bundle process runs before another takes its place; without it for ever"),
        ConfigurationKey(
            name: "bundle.max_attempts", kind: .integer(1...1_000_000_000), fallback: nil,
            summary: "dispatches that a bundle process is given before another takes its place; without it all"),
        ConfigurationKey(
            name: "bundle.max_cpu_time", kind: .span, fallback: nil,
            summary: "processor time of a bundle process after which another takes its place; its tasks end in it"),
        ConfigurationKey(
            name: "bundle.max_memory", kind: .bytes, fallback: nil,
            summary: "resident memory of a bundle process at which another takes its place; its tasks end in it"),
        ConfigurationKey(
            name: "bundle.memory_limit", kind: .bytes, fallback: nil,
            summary: "memory that a bundle process may use; without it only the machine is the limit"),
        ConfigurationKey(
            name: "bundle.nice", kind: .integer(-20...19), fallback: nil,
            summary: "what is added to the engine's niceness for bundle processes; below 0 for root alone"),
        ConfigurationKey(
            name: "bundle.processes", kind: .integer(1...1_000), fallback: "1",
            summary: "bundle processes that share a worker's tasks"),
        ConfigurationKey(
            name: "bundle.trigger_budget", kind: .span, fallback: "1s",
            summary: "how long the code of an async trigger may hold its thread before it is stopped"),
        ConfigurationKey(
            name: "bundle.user", kind: .path, fallback: nil,
            summary: "the account that bundle processes run as, name or name:group; where the engine is root"),
        ConfigurationKey(
            name: "bundle.working_directory", kind: .path, fallback: nil,
            summary: "the directory that bundle processes start in; without it the engine's"),
        ConfigurationKey(
            name: "core.dags_folder", kind: .path, fallback: nil,
            summary: "the folder of YAML files with DAGs; without it dags in the home"),
        ConfigurationKey(
            name: "core.parallelism", kind: .integer(1...1_000_000), fallback: "32",
            summary: "tasks whose code runs at the same time; waiting tasks are not counted"),
        ConfigurationKey(
            name: "health.listen", kind: .address, fallback: nil,
            summary: "where /health, /ready and /metrics of this process are, as 127.0.0.1:8794; without it nowhere"),
        ConfigurationKey(
            name: "http.per_host", kind: .integer(1...100_000), fallback: "8",
            summary: "connections that HTTP waits open to one host"),
        ConfigurationKey(
            name: "http.per_host_rate", kind: .integer(0...1_000_000), fallback: "1000",
            summary: "requests a second that HTTP waits make to one host; 0 for as many as there are"),
        ConfigurationKey(
            name: "log.level", kind: .logLevel, fallback: "info", summary: "what the engine's log shows and above"),
        ConfigurationKey(
            name: "logs.archive", kind: .path, fallback: nil,
            summary: "with metastore.url: a directory that all machines see, for logs that have ended"),
        ConfigurationKey(
            name: "metastore.listen_url", kind: .database, fallback: nil,
            summary: "the same database without a pooler before it, for locks and doorbells; without it metastore.url"),
        ConfigurationKey(
            name: "metastore.prepare", kind: .truth, fallback: "true",
            summary: "whether statements are prepared by name; false behind a pooler that keeps none"),
        ConfigurationKey(
            name: "metastore.url", kind: .database, fallback: nil,
            summary: "the database of the metastore, as postgresql://user@host/database; without it a file of the home"),
        ConfigurationKey(
            name: "outputs.inline_size", kind: .bytes, fallback: "64KiB",
            summary: "the longest output that stays in the metastore; longer ones are files of the home"),
        ConfigurationKey(
            name: "outputs.max_size", kind: .bytes, fallback: "16MiB",
            summary: "the longest output; a task that gives a longer one fails"),
        ConfigurationKey(
            name: "retention.audit_days", kind: .integer(1...36_500), fallback: "365",
            summary: "days that it is kept who has changed what"),
        ConfigurationKey(
            name: "retention.events_days", kind: .integer(1...36_500), fallback: "7",
            summary: "days that an event is kept in the inbox"),
        ConfigurationKey(
            name: "retention.runs_days", kind: .integer(1...36_500), fallback: nil,
            summary: "days that finished runs and their logs are kept; without it for ever"),
        ConfigurationKey(
            name: "scheduler.lease", kind: .span, fallback: "90s",
            summary: "how long a scheduler counts as alive without renewing"),
        ConfigurationKey(
            name: "secrets.command", kind: .path, fallback: nil,
            summary: "a program that looks secrets up: it is run with get, connection, variable or secret, and the name"
        ),
        ConfigurationKey(
            name: "secrets.command_cache", kind: .span, fallback: "60s",
            summary: "how long an answer of secrets.command is kept"),
        ConfigurationKey(
            name: "secrets.command_timeout", kind: .span, fallback: "10s",
            summary: "how long secrets.command may take before it is killed"),
        ConfigurationKey(
            name: "secrets.file", kind: .path, fallback: nil,
            summary: "a JSON file with connections, variables and secrets; not open to others"),
        ConfigurationKey(
            name: "secrets.key", kind: .secret, fallback: nil,
            summary:
                "the key that seals what is stored: 32 bytes in base64; of several, with commas between, the first seals"
        ),
        ConfigurationKey(
            name: "secrets.key_file", kind: .path, fallback: nil,
            summary: "the file with that key, made when it is needed; without it secret.key in the home"),
        ConfigurationKey(
            name: "traces.endpoint", kind: .httpURL, fallback: nil,
            summary: "where spans go by OTLP, as http://127.0.0.1:4318; without it OTEL_EXPORTER_OTLP_ENDPOINT"),
        ConfigurationKey(
            name: "traces.service_name", kind: .words, fallback: nil,
            summary: "the name of this Perch in traces; without it OTEL_SERVICE_NAME, else perch"),
        ConfigurationKey(
            name: "triggerer.capacity", kind: .integer(1...1_000_000_000), fallback: "1000000",
            summary: "waits that a triggerer is meant for; triggerers share in proportion to it"),
        ConfigurationKey(
            name: "triggerer.lease", kind: .span, fallback: "30s",
            summary: "how long a triggerer owns its waits without renewing"),
        ConfigurationKey(
            name: "worker.lease", kind: .span, fallback: "90s",
            summary: "how long a worker holds its tasks without renewing"),
    ]

    /// Whether the setting of this name is written as an object.
    static func holdsObject(_ name: String) -> Bool {
        guard let key = named(name), case .variables = key.kind else { return false }
        return true
    }

    /// What stands before the first dot of its name.
    var section: String { String(name.prefix { $0 != "." }) }

    /// The environment variable that sets it.
    var variable: String {
        "PERCH__" + name.split(separator: ".").joined(separator: "__").uppercased()
    }

    /// The number behind a written value: bytes, microseconds, a port, or the whole number itself.
    /// - Throws: `PerchError` (`invalid`) that says what may stand there.
    func number(_ text: String) throws -> Int64 {
        switch kind {
        case .integer(let range):
            guard let number = Int64(text), range.contains(number) else {
                throw refusal(of: text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        case .bytes:
            let units: [(String, Int64)] = [
                ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1), ("", 1),
            ]
            guard let number = Self.quantity(text, units), number > 0 else {
                throw refusal(of: text, "a size such as 536870912 or 512MiB (KiB, MiB, GiB, TiB)")
            }
            return number
        case .span:
            let span: TimeSpan
            do throws(PerchError) {
                span = try TimeSpan(parsing: text)
            } catch {
                throw PerchError(.invalid, "\(name): \(error.message)")
            }
            guard span.microseconds > 0 else { throw refusal(of: text, "a length of time above zero") }
            return span.microseconds
        case .logLevel:
            guard let index = Logger.Level.allCases.firstIndex(where: { $0.rawValue == text }) else {
                throw refusal(of: text, "one of " + Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return Int64(index)
        case .address:
            do throws(PerchError) {
                return Int64(try ListenAddress(parsing: text).port)
            } catch {
                throw PerchError(.invalid, "\(name): \(error.message)")
            }
        case .database:
            do {
                _ = try PostgresAddress(text)
                return 0
            } catch let error as PerchError {
                throw PerchError(error.code, "\(name): \(error.message)")
            }
        case .truth:
            guard text == "true" || text == "false" else { throw refusal(of: text, "true or false") }
            return text == "true" ? 1 : 0
        case .variables:
            _ = try variables(text)
            return 0
        case .networks:
            do throws(PerchError) {
                _ = try TrustedProxies(parsing: text)
            } catch {
                throw PerchError(.invalid, "\(name): \(error.message)")
            }
            return 0
        case .httpURL:
            let isWhole = ["http://", "https://"].contains { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }
            let isPlain = text.utf8.count <= 2_000 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            guard isWhole, isPlain else { throw refusal(of: text, "a URL such as http://127.0.0.1:4318") }
            return 0
        case .words:
            let isPlain = text.utf8.count <= 200 && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            guard !text.isEmpty, isPlain else { throw refusal(of: text, "a name of 1 to 200 bytes") }
            return 0
        case .path, .secret:
            // Of neither there is a number. What is wrong with a secret is said without it.
            guard !text.isEmpty else { throw PerchError(.invalid, "\(name) is empty") }
            return 0
        }
    }

    /// Variables by name, as they are written; nil where one is to be taken away.
    /// - Throws: `PerchError` (`invalid`), which repeats no value.
    func variables(_ text: String) throws -> [String: String?] {
        let written = "it is written {\"NAME\": \"value\"}"
        // What is wrong with the text may be a piece of a secret.
        guard case .object(let members)? = try? JSONValue(parsing: text) else {  // because the fault is told here
            throw PerchError(.invalid, "\(name) is no object of texts; \(written)")
        }
        var variables: [String: String?] = [:]
        for (variable, value) in members.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .string(let text): variables[variable] = .some(text)
            case .null: variables[variable] = .some(nil)
            default: throw PerchError(.invalid, "\(name): '\(variable.shown(60))' is no text; \(written)")
            }
            if let problem = BundleConditions.problem(of: variable, variables[variable] ?? nil) {
                throw PerchError(.invalid, "\(name): \(problem)")
            }
        }
        return variables
    }

    private func refusal(of text: String, _ wanted: String) -> PerchError {
        PerchError(.invalid, "'\(text.shown(60))' is no value for \(name): it is \(wanted)")
    }

    private static func quantity(_ text: String, _ units: [(String, Int64)]) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), let unit = units.first(where: { $0.0 == text.dropFirst(digits.count) }) else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit.1)
        return overflow ? nil : product
    }
}
