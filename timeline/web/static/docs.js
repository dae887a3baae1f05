// Starts the API documentation page (docs.html). A file of its own, not an inline script, so that the page works
// under the content security policy `script-src 'self'`.
SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null, // or Swagger UI would show the document to a validator elsewhere
  supportedSubmitMethods: ["get", "head", "options", "post", "put", "patch", "delete"],
});
