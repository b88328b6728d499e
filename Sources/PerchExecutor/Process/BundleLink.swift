// SPDX-License-Identifier: Apache-2.0

package import PerchBundle

/// The engine's end of one bundle: messages to it, what it says, its end. Lives on the executor's reactor.
package protocol BundleLink: AnyObject {
    /// The process id where it is a process of its own.
    var pid: Int32? { get }
    /// The last lines of its standard error, for whoever has to explain an early death.
    var lastErrors: [String] { get }
    /// Whether anything was heard since it was last set to false.
    var wasHeard: Bool { get set }
    /// Adds a message; it leaves with the next `flush`.
    func send(_ message: EngineMessage) throws(BundleProtocolError)
    /// Sends what was added.
    func flush()
    /// Ends the bundle with everything that it has started; its death is told once it is over.
    func terminate()
}

/// What a bundle's link tells; called on the executor's reactor, never from within a call of the link's own.
package struct BundleCallbacks {
    package var messages: ([BundleMessage]) -> Void
    /// Lines that the process printed.
    package var printed: (_ lines: [String], _ isError: Bool) -> Void
    /// Called once, last.
    package var ended: (_ words: String) -> Void
}
