// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A PostgreSQL server, or one that speaks its protocol, out of a connection.
struct PostgresServerSettings: Sendable {
    /// What libpq is told, by its names.
    var parameters: [(name: String, value: String)]
    /// How long connecting may take.
    var connectTimeout: Duration
    /// What no message may hold.
    var secrets: [String]
    /// `postgres://perch@db.example:5432/orders`.
    var name: String
    /// Redshift takes neither COPY from its client nor ON CONFLICT.
    var isRedshift: Bool

    /// Names in the extra that libpq takes as they are.
    private static let passed = [
        "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "application_name", "options", "target_session_attrs",
        "channel_binding", "krbsrvname", "service",
    ]

    /// - Throws: `NonRetryable` that says what is wrong with the connection.
    init(_ connection: Connection, id: String) throws(NonRetryable) {
        let options = try ConnectionOptions(connection, id: id, known: Self.passed + ["connect_timeout"])
        isRedshift = connection.type == "redshift"
        let port = connection.port ?? (isRedshift ? 5_439 : 5_432)
        let host = connection.host ?? "localhost"
        // libpq would read a list of hosts, or take a database apart that looks like a connection string.
        guard !host.contains(","), !host.isEmpty else {
            throw NonRetryable(
                "the host of the connection '\(id.shown(80))' is one name, address or folder of a socket")
        }
        parameters = [
            ("host", host), ("port", "\(port)"), ("client_encoding", "UTF8"), ("gssencmode", "disable"),
            // A link that is cut tells nobody, and a statement may have no limit of its own.
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "30000"),
        ]
        if let login = connection.login { parameters.append(("user", login)) }
        if let database = connection.schema { parameters.append(("dbname", database)) }
        if let password = connection.password { parameters.append(("password", password)) }
        var given: Set<String> = []
        for name in Self.passed {
            guard let value = try options.text(name) else { continue }
            parameters.append((name, value))
            given.insert(name)
        }
        if !given.contains("application_name") { parameters.append(("application_name", "perch")) }
        connectTimeout = try options.duration("connect_timeout") ?? .seconds(30)
        secrets = [connection.password].compactMap(\.self).filter { !$0.isEmpty }
        let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let user = connection.login.map { "\($0)@" } ?? ""
        name = "\(isRedshift ? "redshift" : "postgres")://\(user)\(place)/\(connection.schema ?? "")"
    }

    /// What libpq or the server said, on one line and without what is secret.
    func cleaned(_ text: String) -> String {
        var words = text.split(whereSeparator: \.isNewline).joined(separator: "; ").replacing("\t", with: "")
        for secret in secrets { words = words.replacing(secret, with: "***") }
        return words.isEmpty ? "the connection broke" : words.shown(600)
    }
}
