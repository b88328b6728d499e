// SPDX-License-Identifier: Apache-2.0

/// Starts bundles: the executable that knows the DAGs, as a process of its own or, in tests, beside the engine.
public protocol BundleLauncher: Sendable {
    /// The name under which the bundle's DAGs are stored.
    var name: String { get }
    /// What stands in the environment of everything that a bundle starts: `NAME=value`.
    var mark: String { get }
    /// Starts one and gives the descriptors to it, which the caller closes.
    /// - Throws: `PerchError` (`unavailable`) where it cannot be started.
    func launch() throws -> LaunchedBundle
}

/// A bundle that has just been started.
public struct LaunchedBundle: Sendable {
    /// The engine's end of the socket.
    public var socket: Int32
    /// Nil where it is no process of its own.
    public var process: Process?

    /// What only a process has.
    public struct Process: Sendable {
        public var pid: Int32
        /// Readable once the process has ended.
        public var pidDescriptor: Int32
        public var output: Int32
        public var error: Int32
    }
}
