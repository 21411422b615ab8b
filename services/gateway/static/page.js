// GraphiQL over the gateway that served this page, with the API key that is typed in above the editor.
"use strict";

(() => {
  const STORED_KEY = "quick-api-key";
  const element = React.createElement;

  // A tab's own storage: the key is gone when the tab is closed, and no other site can read it.
  const readKey = () => sessionStorage.getItem(STORED_KEY) || "";
  const keepKey = (key) => sessionStorage.setItem(STORED_KEY, key);

  const fetcher = async (operation, options = {}) => {
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json, application/json;q=0.9",
        ...(readKey() && { "X-API-Key": readKey() }),
        ...options.headers,
      },
      body: JSON.stringify(operation),
    });
    const answer = await response.json();
    if ("data" in answer || "errors" in answer) {
      return answer;
    }
    // Errors outside GraphQL have a form of their own: a wrong key, an unknown gateway.
    return { errors: [{ message: answer.detail || `HTTP ${response.status}` }] };
  };

  const KeyForm = ({ onKey }) => {
    const submit = (event) => {
      event.preventDefault();
      onKey(event.target.elements.key.value.trim());
    };
    return element(
      "form",
      { className: "api-key", onSubmit: submit },
      element("label", { htmlFor: "key" }, "API key"),
      element("input", { id: "key", type: "password", autoComplete: "off", defaultValue: readKey() }),
      element("button", { type: "submit" }, "Use"),
    );
  };

  const Page = () => {
    const [round, setRound] = React.useState(0);
    const useKey = (key) => {
      keepKey(key);
      setRound(round + 1);
    };
    // Another round makes a new editor, which asks for the schema again.
    const editor = element(GraphiQL, { key: round, fetcher, shouldPersistHeaders: false });
    return element(
      React.Fragment,
      null,
      element(KeyForm, { onKey: useKey }),
      element("div", { className: "editor" }, editor),
    );
  };

  ReactDOM.createRoot(document.getElementById("page")).render(element(Page));
})();
