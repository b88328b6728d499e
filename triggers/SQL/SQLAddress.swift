// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A database as it is reached, with what references stand for: never stored, and shown without what is secret.
struct SQLAddress {
    enum Place {
        case sqlite(String)
        case postgres(PostgresServer, password: String?)
    }

    let place: Place
    /// What is known of it by reference alone; nil where it is given.
    private let mask: SecretMask?

    /// Looks up what a database refers to.
    /// - Throws: `PerchError` that names the reference, never a value.
    init(
        _ database: SQLDatabase, _ environment: (String) -> String?, _ secrets: any SecretResolver
    ) throws(PerchError) {
        switch database {
        case .sqlite(let path):
            place = .sqlite(path)
            mask = nil
        case .postgres(let server):
            place = .postgres(server, password: try server.password?.resolved(environment, secrets))
            mask = nil
        case .secret(let name):
            guard let text = secrets.secret(name) else {
                throw PerchError(.notFound, "the database needs \(secrets.place(of: name)), which is not set")
            }
            let connection: Connection
            do throws(PerchError) {
                connection = try Connection(parsing: text)
                place = try Self.place(of: connection)
            } catch {
                throw PerchError(error.code, "what '\(name.shown(80))' stands for: \(error.message)")
            }
            let mask = SecretMask()
            mask.add(
                connection.secrets
                    + [connection.host, connection.login, connection.schema].compactMap(\.self).filter { !$0.isEmpty })
            if case .sqlite(let path) = place { mask.add([path]) }
            self.mask = mask
        }
    }

    private static func place(of connection: Connection) throws(PerchError) -> Place {
        switch connection.type {
        case "sqlite", "sqlite3":
            var path = connection.host ?? ""
            // Of an address the file is what follows the slash that ends the host.
            if path.isEmpty, let schema = connection.schema { path = schema.hasPrefix("/") ? schema : "/" + schema }
            guard path.hasPrefix("/"), path.utf8.count > 1, !path.utf8.contains(0) else {
                throw PerchError(
                    .invalid, "a file of SQLite is named by its absolute path: sqlite:///data/orders.db")
            }
            return .sqlite(path)
        case "postgres", "postgresql", "redshift":
            var server = PostgresServer(
                host: connection.host ?? "localhost",
                port: connection.port ?? (connection.type == "redshift" ? 5_439 : 5_432),
                database: connection.schema ?? "", user: connection.login ?? "")
            for (name, value) in connection.extra.sorted(by: { $0.key < $1.key }) {
                switch (name, value) {
                case ("sslmode", .string(let text)):
                    guard let tls = PostgresServer.TLS(rawValue: text) else {
                        let known = PostgresServer.TLS.allCases.map(\.rawValue).joined(separator: ", ")
                        throw PerchError(.invalid, "its 'sslmode' is one of \(known)")
                    }
                    server.tls = tls
                case ("sslrootcert", .string(let path)): server.ca = path
                // What is about the connections of tasks.
                case ("application_name", _), ("connect_timeout", _): break
                default:
                    throw PerchError(
                        .invalid,
                        "waits know nothing of '\(name.shown(40))' in its extra; they take sslmode and sslrootcert")
                }
            }
            // Its words would repeat what is wrong, and that may not be shown.
            guard server.problems.isEmpty else {
                throw PerchError(
                    .invalid,
                    "it needs one host, a user and the name of a database: postgres://user:password@host:5432/name")
            }
            return .postgres(server, password: connection.password)
        default:
            throw PerchError(
                .invalid, "waits for rows ask postgres, redshift and sqlite, not '\(connection.type.shown(40))'")
        }
    }

    /// Words about it, for people: where it is known by reference, without where it is.
    func shown(_ words: String) -> String {
        guard let mask else { return words }
        var rest = words[...]
        var text = ""
        // libpq names server, address and port before it says what is wrong.
        while let start = rest.firstRange(of: "connection to server "), let end = rest.firstRange(of: "failed: "),
            start.lowerBound < end.lowerBound
        {
            text += rest[..<start.lowerBound]
            rest = rest[end.upperBound...]
        }
        return mask.masked(text + rest)
    }
}
