// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// Who may look at pages, and which forms are those of this server.
enum PageAccess {
    /// Looks at the head of a request for a page.
    /// - Throws: `Refusal`: 401 for who is not known, 403 for who may do less.
    static func admit(_ head: HTTPRequest, _ route: PageRoute, _ access: AccessControl) throws(Refusal) -> Caller {
        if route.isPublic { return Caller(name: "anybody", right: .events) }
        var fields = head.headerFields
        if route.method == .post {
            try checkOrigin(head)
            // It is this server's own, which is what else it would be asked for.
            fields[.origin] = nil
        }
        return try access.admitOwner(fields, to: route.right, host: head.authority)
    }

    /// Whether a form that is whole was made by this server for the one who sends it.
    /// - Throws: `Refusal`: 403 where it was not.
    static func check(_ form: FormFields, of caller: Caller, _ head: HTTPRequest) throws(Refusal) {
        try checkOrigin(head)
    }

    /// What a form carries to show that this server made it; nil where its origin alone is looked at.
    static func token(of caller: Caller) -> String? { nil }

    /// A browser says from whose page a form comes; whoever says nothing is none.
    private static func checkOrigin(_ head: HTTPRequest) throws(Refusal) {
        let fields = head.headerFields
        let refusal = Refusal(.forbidden, "forbidden", "the form comes from a page of another server; nothing was done")
        if let origin = fields[.origin] {
            guard let host = head.authority, origin == "http://\(host)" || origin == "https://\(host)" else {
                throw refusal
            }
        }
        if let site = fields[.secFetchSite], site != "same-origin", site != "none" { throw refusal }
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
