// SPDX-License-Identifier: Apache-2.0

package import PerchReactor

/// Starts bundles: the executable that knows the DAGs, as a process of its own, beside the engine, or in a simulation.
package protocol BundleLauncher: Sendable {
    /// The name under which the bundle's DAGs are stored.
    var name: String { get }
    /// What stands in the environment of everything that a bundle starts: `NAME=value`.
    var mark: String { get }
    /// Tells what would be started now from what would be started after it was replaced; nil where that is not known at
    /// this moment.
    var revision: String? { get }
    /// What starts bundles of a version that is not the one in use; nil where that is not kept.
    func keeping(version: String) -> (any BundleLauncher)?
    /// Starts one, on the thread of the loop.
    /// - Throws: `PerchError` (`unavailable`) where it cannot be started.
    func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink
}

extension BundleLauncher {
    package var revision: String? { nil }
    package func keeping(version: String) -> (any BundleLauncher)? { nil }
}

/// The descriptors of a bundle that has just been started; its connection closes them.
package struct LaunchedBundle: Sendable {
    /// The engine's end of the socket.
    package var socket: Int32
    /// Nil where it is no process of its own.
    package var process: Process?

    /// What only a process has.
    package struct Process: Sendable {
        package var pid: Int32
        /// Readable once the process has ended.
        package var pidDescriptor: Int32
        package var output: Int32
        package var error: Int32
    }
}
