// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// Who may look at pages, and which forms are those of this server.
enum PageAccess {
    /// Looks at the head of a request for a page.
    /// - Throws: `Refusal`: 401 for who is not known, 403 for who may do less.
    static func admit(_ head: HTTPRequest, _ match: PageMatch, _ access: AccessControl) throws(Refusal) -> Caller {
        let route = match.route
        if route.isPublic { return Caller(name: "anybody", right: .nothing) }
        if route.method == .post, let site = head.headerFields[.secFetchSite], site != "same-origin", site != "none" {
            throw Refusal(.forbidden, "forbidden", "the form comes from a page of another server; nothing was done")
        }
        return try access.admitOwner(
            head.headerFields, to: route.right, of: match.reach, host: head.authority, method: route.method,
            takesForms: true)
    }

    /// Whether a form that is whole was made by this server for the one who sends it.
    /// - Throws: `Refusal`: 403 where it was not.
    static func check(_ form: FormFields, of caller: Caller, _ head: HTTPRequest) throws(Refusal) {
        try AccessControl.check(csrf: form["csrf"], of: caller, head.headerFields)
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
