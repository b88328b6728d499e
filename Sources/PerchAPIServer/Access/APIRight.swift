// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore

/// What an endpoint asks of whoever calls it, and what a token lets do: a role. Each holds those before it.
package typealias APIRight = AccessRole

extension AccessRole {
    /// To look at everything but secrets.
    static var read: AccessRole { .viewer }
    /// To start, end and repeat work.
    static var operate: AccessRole { .operator }

    /// A role as it stands behind a token in a file: by its name, or as `read` or `operate`, which were its names before.
    init?(inFile text: String) {
        switch text {
        case "read": self = .viewer
        case "operate": self = .operator
        case "none": return nil
        default: self.init(rawValue: text)
        }
    }

    /// What its holder may do, in words.
    var words: String {
        switch self {
        case .nothing: "do nothing"
        case .events: "send events"
        case .viewer: "look at everything"
        case .user: "start runs, pause DAGs and answer approvals"
        case .operator: "start, end and repeat work"
        case .admin: "change everything"
        }
    }
}
