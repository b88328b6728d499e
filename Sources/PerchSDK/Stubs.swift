// SPDX-License-Identifier: Apache-2.0
// Bodies to follow.
public struct Template: Sendable {
    let text: String
    public init(_ text: String) throws(PerchError) { self.text = text }
    public func render(_ scope: TemplateScope) throws(PerchError) -> String { text }
}
public struct TemplateScope: Sendable { public init(_ facts: AttemptFacts) {} }
enum TemplateCheck { static func problems(in text: String) -> [String] { [] } }
extension TriggerSpec { public func rendered(with scope: TemplateScope) throws(PerchError) -> TriggerSpec { self } }
public struct CronExpression { static let presets: [(name: String, expression: String)] = [("@daily", "0 0 * * *")] }
public struct CronSchedule { public init(_ expression: String, timeZone: String) throws(PerchError) {} }
extension ScheduleDefinition { var timeZone: String { if case .cron(_, let zone) = self { zone } else { "UTC" } } }
extension Timestamp {
    init(parsing text: String, dateIn zone: String) throws(PerchError) { try self.init(parsing: text) }
}
