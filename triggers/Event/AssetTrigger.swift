// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until an asset has been updated: by a task that has it among its `outlets:`, or from outside by
/// `events emit asset --key NAME`.
public struct AssetTrigger: Trigger {
    /// What is waited for.
    public var asset: Asset
    /// From when on it sees updates. Nil: since its run was created.
    public var since: EventSince?

    /// A wait for an update.
    public init(_ asset: Asset, since: EventSince? = nil) {
        self.asset = asset
        self.since = since
    }

    public var body: some Trigger<ExternalEvent> { EventTrigger(name: Asset.eventName, key: asset.name, since: since) }

    public var problems: [String] { asset.problem.map { [$0] } ?? [] }

    /// Tells of the task that has updated it.
    public func event(from event: ExternalEvent) -> AssetEvent {
        func text(_ field: String) -> String? {
            guard case .string(let text)? = event.payload[field] else { return nil }
            return text
        }
        return AssetEvent(
            asset: Asset(event.key ?? ""), at: event.receivedAt, dagID: text("dag_id"), runID: text("run_id"),
            taskID: text("task_id"), payload: event.payload)
    }
}

/// An update of an asset.
public struct AssetEvent: Codable, Hashable, Sendable {
    public var asset: Asset
    /// When the update was durable.
    public var at: Timestamp
    /// The task that has updated it; nil for an update from outside.
    public var dagID: String?
    public var runID: String?
    public var taskID: String?
    /// All that was sent with it.
    public var payload: JSONValue
}

extension Trigger where Self == AssetTrigger {
    /// Waits until an asset has been updated.
    ///
    /// - Parameters:
    ///   - asset: Its name; may hold templates.
    ///   - since: From when on updates count; nil: since the run was created.
    public static func asset(_ asset: Asset, since: EventSince? = nil) -> AssetTrigger {
        AssetTrigger(asset, since: since)
    }
}
