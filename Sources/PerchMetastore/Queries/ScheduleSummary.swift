// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension ScheduleDefinition {
    /// The schedule as its author has written it; nil where there is none.
    package var summary: String? {
        switch self {
        case .none: nil
        case .once: "@once"
        case .continuous: "@continuous"
        case .cron(let expression, _): expression
        case .every(let span): "every \(span)"
        case .events(let events): events.description
        case .timetable(let summary): summary
        }
    }
}
