// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until a port or a Unix socket accepts connections, or no longer does.
public struct SocketTrigger: Trigger {
    public typealias Event = SocketEvent
    public static let kind = "socket"
    /// The shortest period that is taken.
    public static let shortestPeriod = TimeSpan(microseconds: 100_000)
    /// The longest period that is taken.
    public static let longestPeriod = TimeSpan.seconds(366 * 86_400)

    /// How a socket can be.
    public enum State: String, Codable, Hashable, Sendable, CaseIterable {
        /// It accepts connections.
        case open
        /// Nobody listens: a connection is refused, or there is no such socket file. No answer at all is not that.
        case closed
    }

    /// What is connected to.
    public var address: SocketAddress
    /// What ends the wait.
    public var until: State
    /// The time from one probe to the next.
    public var every: TimeSpan

    /// A wait for a socket.
    public init(_ address: SocketAddress, until: State = .open, every: TimeSpan = .seconds(30)) {
        self.address = address
        self.until = until
        self.every = every
    }

    public var target: String { address.description }

    public var problems: [String] {
        var problems = address.problem.map { [$0] } ?? []
        if every < Self.shortestPeriod {
            problems.append("'every' is \(every); the shortest is \(Self.shortestPeriod)")
        }
        if every > Self.longestPeriod { problems.append("'every' is \(every); the longest is \(Self.longestPeriod)") }
        return problems
    }

    /// Reads a trigger: `host` and `port`, or `path`; what else there is may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let address: SocketAddress
        if let path = try container.decodeIfPresent(String.self, forKey: .path) {
            address = .unixSocket(path: path)
        } else {
            address = .port(
                host: try container.decode(String.self, forKey: .host),
                number: try container.decode(Int.self, forKey: .port))
        }
        self.init(
            address, until: try container.decodeIfPresent(State.self, forKey: .until) ?? .open,
            every: try container.decodeIfPresent(TimeSpan.self, forKey: .every) ?? .seconds(30))
    }

    /// Writes a trigger as it is read.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch address {
        case .port(let host, let number):
            try container.encode(host, forKey: .host)
            try container.encode(number, forKey: .port)
        case .unixSocket(let path): try container.encode(path, forKey: .path)
        }
        try container.encode(until, forKey: .until)
        try container.encode(every, forKey: .every)
    }

    private enum CodingKeys: String, CodingKey {
        case host, port, path, until, every
    }
}

/// How the socket was found when it was as waited for.
public struct SocketEvent: Codable, Hashable, Sendable {
    public var state: SocketTrigger.State
    /// When it was found so: for an open one when the connection was made.
    public var at: Timestamp
    /// The address that accepted, such as `10.0.0.1:5432` or `[::1]:5432`; of one that refused, and of a Unix socket,
    /// as the wait names it.
    public var address: String

    /// An event from its parts.
    public init(state: SocketTrigger.State, at: Timestamp, address: String) {
        self.state = state
        self.at = at
        self.address = address
    }
}

extension Trigger where Self == SocketTrigger {
    /// Waits until a TCP port accepts connections, or with `until: .closed` until it refuses them. Waits for the same
    /// port share one probe.
    ///
    /// - Parameters:
    ///   - host: A name or an address of IP version 4 or 6; may hold templates.
    ///   - every: The time from one probe to the next, give or take a tenth.
    public static func port(
        _ host: String, _ number: Int, until: SocketTrigger.State = .open, every: Duration = .seconds(30)
    ) -> SocketTrigger {
        SocketTrigger(.port(host: host, number: number), until: until, every: TimeSpan(every))
    }

    /// Waits until a Unix socket accepts connections, or with `until: .closed` until nobody listens on it or its file
    /// has gone. Waits for the same path share one probe.
    ///
    /// - Parameters:
    ///   - path: An absolute path of at most 107 bytes; may hold templates.
    ///   - every: The time from one probe to the next, give or take a tenth.
    public static func unixSocket(
        _ path: String, until: SocketTrigger.State = .open, every: Duration = .seconds(30)
    ) -> SocketTrigger {
        SocketTrigger(.unixSocket(path: path), until: until, every: TimeSpan(every))
    }
}
