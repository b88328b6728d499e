// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A server that takes mails, out of a connection.
struct MailServer: Sendable {
    /// Whether a connection that begins in the clear must be encrypted before anything is said.
    enum StartTLS: String, CaseIterable, Sendable {
        case required
        /// Where the server offers it.
        case offered = "if_offered"
        case never
    }

    var isTLS: Bool
    var host: String
    var port: Int
    var login: String?
    var password: String?
    var startTLS: StartTLS
    /// The authorities that vouch for the server; nil: the system's.
    var ca: String?
    /// Who sends where a mail does not say.
    var from: String?
    var timeout: Duration?

    private static let known = ["starttls", "ca", "from", "timeout", "login_without_tls"]

    /// - Throws: `NonRetryable` that says what is wrong with the connection.
    init(_ connection: Connection, id: String) throws(NonRetryable) {
        guard connection.type == "smtp" || connection.type == "smtps" else {
            throw NonRetryable(
                "the connection '\(id.shown(80))' is of the type \(connection.type.shown(40)); mails go to smtp or smtps"
            )
        }
        let options = try ConnectionOptions(connection, id: id, known: Self.known)
        isTLS = connection.type == "smtps"
        guard let host = connection.host, !host.isEmpty, !host.utf8.contains(where: { $0 <= 0x20 || $0 == 0x2F }) else {
            throw NonRetryable(
                "the connection '\(id.shown(80))' has no host: smtp://user:password@mail.example.org:587")
        }
        self.host = host
        port = connection.port ?? (isTLS ? 465 : 587)
        (login, password) = (connection.login, connection.password)
        startTLS = try options.choice("starttls", StartTLS.self) ?? .required
        ca = try options.path("ca")
        from = try options.text("from")
        timeout = try options.duration("timeout")
        let isAllowed = try options.text("login_without_tls") == "allowed"
        if password != nil, !isTLS, startTLS != .required, !isAllowed {
            throw NonRetryable(
                "the connection '\(id.shown(80))' would send its password in the clear; leave 'starttls' out of its extra, or "
                    + "say 'login_without_tls': 'allowed'")
        }
    }

    /// `smtp://mail.example.org:587`.
    var address: String {
        "\(isTLS ? "smtps" : "smtp")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
