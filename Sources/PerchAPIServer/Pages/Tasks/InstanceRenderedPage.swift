// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What the templates of a try have become: of what it waits for, and of its operator.
struct InstanceRenderedPage {
    /// So many bytes of a field are shown.
    private static let most = 16 << 10
    /// Behind so many bytes of all of them only the beginnings are shown.
    private static let mostTogether = 96 << 10

    private let head: InstanceHead
    private let fields: [RenderedText]

    init(_ call: PageCall) async throws {
        (head, fields) = try await call.read { snapshot in
            let head = try InstanceHead(call, snapshot)
            let fields = try snapshot.renderedFields(of: head.row, task: head.task, tryNumber: head.tryNumber)
            return (head, fields)
        }
    }

    var content: PageContent { head.content(.rendered, head.tries(.rendered) + table + about) }

    private var table: HTML {
        var left = Self.mostTogether
        let rows = fields.map { field -> HTML in
            let most = min(Self.most, max(200, left))
            left -= field.text.utf8.count
            let text: HTML = field.text.isEmpty ? "<span class=\"soft\">empty</span>" : HTML.pre(field.text, most: most)
            return """
                <tr><th scope="row" class="tight"><code>\(String(field.name.shown(120)))</code></th>\
                <td class="wrap">\(text)</td></tr>
                """
        }
        let empty =
            head.tryNumber == 0 ? "It has not been tried yet." : "Nothing was filled in for the try \(head.tryNumber)."
        return HTML.table(
            "Rendered fields of the try \(head.tryNumber)", [PageColumn("Field", "tight"), PageColumn("Became")], rows,
            empty: empty)
    }

    private var about: HTML {
        """
        <p class="soft">Stars stand in place of what is secret and of all that is a connection's. Of a task without templates \
        nothing is kept; what its code waits for in between stands among <a href="\(exact: head.path(.journal))">its steps and \
        waits</a>. While it runs, this may come some seconds late.</p>
        """
    }
}
