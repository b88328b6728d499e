// SPDX-License-Identifier: Apache-2.0

/// A wait whose watching is code of yours: for what no kind of the engine, and no trigger made of those, can watch.
///
/// ```swift
/// struct QueueDepth: AsyncTrigger {
///     let queue: String
///     let above: Int
///
///     func run(_ context: TriggerContext) async throws -> Int {
///         while true {
///             let depth = try await broker.depth(of: queue)
///             if depth > above { return depth }
///             try await context.sleep(for: .seconds(30))
///         }
///     }
/// }
/// ```
///
/// It is hosted in the bundle process, in one that runs no task; a thousand of them share it. A task or sensor that
/// waits for one holds no slot. Types that only tasks wait for stand in `DAGBundle.triggers`; those of sensors are
/// found by themselves.
///
/// - It is **run again** after a crash or a restart of the engine, after a deployment, and after it threw: probing
///   twice must do no harm. What must not be forgotten goes into `context.checkpoint`.
/// - It must not hold its thread: one that computes or blocks for longer than the budget (`bundle.trigger_budget`, 1
///   second) is named in the log and in `deferred explain`, and stopped. What blocks belongs on a thread of its own.
/// - It is cancelled, as a Swift task, when its wait has ended otherwise.
public protocol AsyncTrigger: Trigger where Body == Never {
    /// What `run` returns.
    associatedtype Event
    /// The stable, persisted name of this type: the type's own name, unless another one is given. Letters, digits,
    /// `_`, `.` and `-`.
    static var name: String { get }
    /// Names under which waits that still sleep may have been stored before the type was renamed.
    static var formerNames: [String] { get }
    /// Returns the event when what is waited for has come. Whatever it throws is tried again, a bounded number of
    /// times.
    func run(_ context: TriggerContext) async throws -> Event
}

extension AsyncTrigger {
    /// The type's name.
    public static var name: String { "\(Self.self)" }
    /// None.
    public static var formerNames: [String] { [] }
    /// `async:` and the name.
    public static var kind: String { HostedKind.kind(of: name) }
    /// The name and the fields: `QueueDepth(above: 10, queue: orders)`.
    public var target: String {
        guard case .object(let members)? = try? JSONValue(encoding: self),  // because storing the wait says why
            !members.isEmpty
        else { return Self.name }
        let fields = members.sorted { $0.key < $1.key }.map { key, value in
            if case .string(let text) = value { return "\(key): \(text)" }
            return "\(key): \(value.text)"
        }
        return "\(Self.name)(\(fields.joined(separator: ", ")))"
    }
}

/// The kinds of waits that code of a bundle watches.
package enum HostedKind {
    /// Under which the triggerer knows all of them.
    package static let family = "async"
    private static let prefix = "async:"

    package static func kind(of name: String) -> String { prefix + name }

    /// Whether waits of a kind are hosted in a bundle process.
    package static func isHosted(_ kind: String) -> Bool { kind.hasPrefix(prefix) }

    /// The name of the type; the kind itself where it is not hosted.
    package static func name(of kind: String) -> String {
        isHosted(kind) ? String(kind.dropFirst(prefix.count)) : kind
    }
}
