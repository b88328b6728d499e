// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Tries connections for a source, on its loop's thread. Production has the network, the simulation sockets in memory.
package protocol SocketTransport: AnyObject {
    /// Tries a connection, which is closed again at once; `done` is called in a later turn of the loop, unless the
    /// attempt is cancelled.
    /// - Throws: `PerchError` where no attempt can be made.
    func connect(
        to target: SocketTarget, timeout: TimeSpan, done: @escaping (SocketOutcome) -> Void
    ) throws -> any SocketAttempt
    /// Breaks every attempt off. No `done` is called any more.
    func close()
}

/// An attempt under way.
package protocol SocketAttempt: AnyObject {
    /// Breaks the attempt off; its `done` is not called. One that has ended is left alone.
    func cancel()
}

/// How an attempt ended. Addresses are those that answered where that is known,
/// else those that were asked for.
package enum SocketOutcome: Equatable, Sendable {
    case accepted(by: String)
    /// By TLS: what the server has shown.
    case shown(ServerCertificate, by: String)
    case refused(by: String)
    /// There is no such socket file.
    case absent
    /// Somebody listens on the Unix socket and takes no connections.
    case queueFull
    case timedOut
    case unknownName(String)
    /// The errno.
    case noConnection(Int32)
    /// Anything else, with its number.
    case other(Int, String)
}

/// What a server's certificate says.
package struct ServerCertificate: Hashable, Sendable {
    package var subject: String
    package var issuer: String
    package var notBefore: Timestamp
    package var notAfter: Timestamp

    /// A certificate from its parts.
    package init(subject: String, issuer: String, notBefore: Timestamp, notAfter: Timestamp) {
        self.subject = subject
        self.issuer = issuer
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}
